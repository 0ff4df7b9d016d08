// llama.cpp through node-llama-cpp: prefill and decode of a GGUF file, for scripts/compare_peers.py. One JSON line per figure.
// In a folder of its own: npm i --ignore-scripts node-llama-cpp@3.22.1
// node llamacpp.mjs MODEL.gguf PROMPT NEW THREADS, with the folder's node_modules beside this file or in NODE_MODULES
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
const here = createRequire((process.env.NODE_MODULES ?? import.meta.dirname) + "/");
const {getLlama} = await import(pathToFileURL(here.resolve("node-llama-cpp")));
const [file, prompt, count, threads] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const llama = await getLlama({build: "never", gpu: false, progressLogs: false, logLevel: "error"});
const out = (metric, value) => console.log(JSON.stringify({system: "llama.cpp", metric, value}));
let start = performance.now();
const model = await llama.loadModel({modelPath: file});
out("load_s", (performance.now() - start) / 1000);
const context = await model.createContext({contextSize: prompt + count + 8, threads});
const sequence = context.getSequence();
// (the first run warms up)
for (const counted of [false, true]) {
  await sequence.clearHistory();
  const tokens = Array.from({length: prompt}, (_, i) => i * 7919 % 30000 + 100);
  start = performance.now();
  let first = null, times = [], last = start;
  for await (const _ of sequence.evaluate(tokens, {temperature: 0, yieldEogToken: true})) {
    const now = performance.now();
    if (first === null) first = now;
    else times.push(now - last);
    last = now;
    if (times.length === count - 1) break;
  }
  if (counted) {
    times.sort((a, b) => a - b);
    out("prefill_tok_s", prompt / ((first - start) / 1000));
    out("decode_tok_s", 1000 / times[times.length >> 1]);
  }
}
process.exit(0);
