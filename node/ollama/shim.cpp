//go:build ollama && cgoflags && cgo

// What throws in llama.cpp ends here: an exception must not reach Go.

#include "shim.h"

#include <cstring>
#include <exception>

#ifdef __GLIBC__
#include <malloc.h>
#endif

extern "C" {
void llama9OllamaLog(int level, char *text, void *data);
void llama9OllamaAbort(char *text);
bool llama9OllamaProgress(float p, uintptr_t handle);
}

static void say(const char *what) {
	char line[512] = "llama.cpp threw: ";
	strncat(line, what, sizeof line - strlen(line) - 2);
	strcat(line, "\n");
	llama9OllamaLog(GGML_LOG_LEVEL_ERROR, line, nullptr);
}

template <class F, class R> static R guarded(F f, R otherwise) {
	try {
		return f();
	} catch (const std::exception &e) {
		say(e.what());
	} catch (...) {
		say("something that is no exception");
	}
	return otherwise;
}

static void log_line(enum ggml_log_level level, const char *text, void *data) {
	llama9OllamaLog(level, const_cast<char *>(text), data);
}

static void last_words(const char *text) { llama9OllamaAbort(const_cast<char *>(text)); }

static bool progress(float p, void *handle) {
	return llama9OllamaProgress(p, reinterpret_cast<uintptr_t>(handle));
}

// Weights and caches are mapped and go back to the system when they are freed.
// Left to itself glibc keeps what is once freed in the heap, where the next
// model's small pieces break it up: each load without mmap cost its size anew.
static void big_from_system(void) {
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

void l9_init(void) {
	big_from_system();
	llama_log_set(log_line, nullptr);
	ggml_set_abort_callback(last_words);
	llama_backend_init();
}

// ggml asks it once for each node of the graph, so it does not enter Go.
bool l9_is_set(void *flag) {
	return __atomic_load_n(static_cast<uint32_t *>(flag), __ATOMIC_RELAXED) != 0;
}

struct llama_model *l9_load(const char *file, struct llama_model_params p, uintptr_t handle) {
	p.progress_callback = progress;
	p.progress_callback_user_data = reinterpret_cast<void *>(handle);
	return guarded([&] { return llama_model_load_from_file(file, p); }, (struct llama_model *)nullptr);
}

struct llama_context *l9_context(struct llama_model *m, struct llama_context_params p, void *abort_flag) {
	p.abort_callback = l9_is_set;
	p.abort_callback_data = abort_flag;
	return guarded([&] { return llama_init_from_model(m, p); }, (struct llama_context *)nullptr);
}

int32_t l9_decode(struct llama_context *c, struct llama_batch b) {
	return guarded([&] { return llama_decode(c, b); }, (int32_t)L9_THREW);
}

bool l9_seq_rm(llama_memory_t m, llama_seq_id s, llama_pos from, llama_pos to) {
	return guarded([&] { return llama_memory_seq_rm(m, s, from, to); }, false);
}

bool l9_seq_cp(llama_memory_t m, llama_seq_id from, llama_seq_id to) {
	return guarded([&] { llama_memory_seq_cp(m, from, to, 0, -1); return true; }, false);
}

bool l9_seq_add(llama_memory_t m, llama_seq_id s, llama_pos from, llama_pos to, llama_pos delta) {
	return guarded([&] { llama_memory_seq_add(m, s, from, to, delta); return true; }, false);
}

size_t l9_set_state(struct llama_context *c, const uint8_t *b, size_t n, llama_seq_id s) {
	return guarded([&] { return llama_state_seq_set_data(c, b, n, s); }, (size_t)0);
}

// The threads of a context do not look for work before they sleep (poll 0): a
// node has other things to do between two steps, on the same cores.
struct ggml_threadpool *l9_pool(struct llama_context *c, int threads) {
	struct ggml_threadpool_params p = ggml_threadpool_params_default(threads);
	p.poll = 0;
	struct ggml_threadpool *pool = ggml_threadpool_new(&p);
	if (pool)
		llama_attach_threadpool(c, pool, pool);
	return pool;
}

int32_t l9_tokenize(const struct llama_vocab *v, const char *text, int32_t n, llama_token *to, int32_t room, bool special) {
	return guarded([&] { return llama_tokenize(v, text, n, to, room, false, special); }, INT32_MIN);
}

int32_t l9_piece(const struct llama_vocab *v, llama_token t, char *to, int32_t room, bool special) {
	return guarded([&] { return llama_token_to_piece(v, t, to, room, 0, special); }, (int32_t)0);
}

struct llama_sampler *l9_grammar(const struct llama_vocab *v, const char *text) {
	return guarded([&] { return llama_sampler_init_grammar(v, text, "root"); }, (struct llama_sampler *)nullptr);
}

struct llama_sampler *l9_dry(const struct llama_vocab *v, int32_t n_ctx_train, float multiplier, float base, int32_t allowed, int32_t last, const char **breakers, size_t n) {
	return guarded([&] { return llama_sampler_init_dry(v, n_ctx_train, multiplier, base, allowed, last, breakers, n); }, (struct llama_sampler *)nullptr);
}

// A sampler may point the array to memory of its own; what it left is copied
// back to where the caller has it.
size_t l9_apply(struct llama_sampler *s, llama_token_data *data, size_t n, bool *sorted) {
	llama_token_data_array a = {data, n, -1, *sorted};
	if (!guarded([&] { llama_sampler_apply(s, &a); return true; }, false))
		return n;
	if (a.size > n)
		a.size = n;
	if (a.data != data)
		memmove(data, a.data, a.size * sizeof *data);
	*sorted = a.sorted;
	return a.size;
}

bool l9_accept(struct llama_sampler *s, llama_token t) {
	return guarded([&] { llama_sampler_accept(s, t); return true; }, false);
}
