#include <stdbool.h>
#include <stdlib.h>
#include "llama.h"
#include "ggml.h"
#include "ggml-cpu.h"

#ifdef __cplusplus
extern "C" {
#endif

// What an exception becomes where a function gives a number.
#define L9_THREW (-1000)

void l9_init(void);
bool l9_is_set(void *flag);

struct llama_model *l9_load(const char *file, struct llama_model_params p, uintptr_t progress);
struct llama_context *l9_context(struct llama_model *m, struct llama_context_params p, void *abort_flag);
int32_t l9_decode(struct llama_context *c, struct llama_batch b);
bool l9_seq_rm(llama_memory_t m, llama_seq_id s, llama_pos from, llama_pos to);
bool l9_seq_cp(llama_memory_t m, llama_seq_id from, llama_seq_id to);
bool l9_seq_add(llama_memory_t m, llama_seq_id s, llama_pos from, llama_pos to, llama_pos delta);
size_t l9_set_state(struct llama_context *c, const uint8_t *b, size_t n, llama_seq_id s);
struct ggml_threadpool *l9_pool(struct llama_context *c, int threads);

int32_t l9_tokenize(const struct llama_vocab *v, const char *text, int32_t n, llama_token *to, int32_t room, bool special);
int32_t l9_piece(const struct llama_vocab *v, llama_token t, char *to, int32_t room, bool special);

struct llama_sampler *l9_grammar(const struct llama_vocab *v, const char *text);
struct llama_sampler *l9_dry(const struct llama_vocab *v, int32_t n_ctx_train, float multiplier, float base, int32_t allowed, int32_t last, const char **breakers, size_t n);
size_t l9_apply(struct llama_sampler *s, llama_token_data *data, size_t n, bool *sorted);
bool l9_accept(struct llama_sampler *s, llama_token t);

#ifdef __cplusplus
}
#endif
