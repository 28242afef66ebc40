// The work of `llama9 bench` by node-llama-cpp, the same llama.cpp libraries
// under JavaScript: sessions at once, greedy, every token a turn of the loop
// as its users write it. Reads one job as JSON from standard input,
//
//	{"model": FILE, "n_ctx": N, "n_batch": N, "threads": N, "predict": N,
//	 "levels": [{"prefill": [[ID ...] ...], "decode": [[ID ...] ...], "times": N} ...]}
//
// with a prompt, as token ids, for each session of a level, and prints one
// line of JSON: for each level and each of its times, in tokens a second of wall
// time from the first commit to the last token, prefill, of the long prompts
// with one token made, and decode, of the tokens made after the short ones.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { readFileSync } from "node:fs";

const job = JSON.parse(readFileSync(0, "utf8"));
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: job.model });

// turns makes predict tokens after each prompt, all at once.
async function turns(sequences, prompts, predict) {
    await Promise.all(sequences.map((s) => s.clearHistory()));
    const start = performance.now();
    const made = await Promise.all(sequences.map(async (seq, i) => {
        let n = 0;
        for await (const _ of seq.evaluate(prompts[i], { temperature: 0, yieldEogToken: true })) {
            if (++n === predict) {
                break;
            }
        }
        return n;
    }));
    return { seconds: (performance.now() - start) / 1000, made: made.reduce((a, b) => a + b, 0) };
}

const rates = [];
for (const level of job.levels) {
    const n = level.prefill.length;
    const context = await model.createContext({
        sequences: n,
        contextSize: job.n_ctx,
        batchSize: job.n_batch,
        threads: { ideal: job.threads, min: job.threads },
    });
    const sequences = Array.from({ length: n }, () => context.getSequence());
    const asked = level.prefill.reduce((sum, ids) => sum + ids.length, 0);
    const rate = { sessions: n, prefill: [], decode: [] };
    for (let i = 0; i < level.times; i++) {
        await turns(sequences, level.decode, 2); // warm up
        const p = await turns(sequences, level.prefill, 1);
        const d = await turns(sequences, level.decode, job.predict);
        rate.prefill.push(asked / p.seconds);
        rate.decode.push(d.made / d.seconds);
    }
    rates.push(rate);
    await context.dispose();
}
const of = new URL("./node_modules/node-llama-cpp/package.json", import.meta.url);
console.log(JSON.stringify({ version: JSON.parse(readFileSync(of, "utf8")).version, rates }));
process.exit(0); // its worker threads outlive the model otherwise
