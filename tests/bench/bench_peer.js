// ONNX Runtime as the peer of the benchmarks. Prints one JSON line.
//   node bench_peer.js MODULES create MODEL THREADS ROUNDS   seconds of warm session creations
//   node bench_peer.js MODULES run MODEL THREADS ROUNDS      seconds of warm runs on seeded inputs
const [, , modules, what, model, threads, rounds] = process.argv;
const ort = require(modules + '/onnxruntime-node');

const seconds = async (f) => {
    const start = process.hrtime.bigint();
    const result = await f();
    return [Number(process.hrtime.bigint() - start) / 1e9, result];
};

const create = () => ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, logSeverityLevel: 3});

// The models of the benchmarks have one input of single precision; its shape is given.
const inputOf = (session) => {
    const shape = process.argv[7].split('x').map(Number), n = shape.reduce((a, b) => a * b, 1);
    const data = new Float32Array(n);
    for (let i = 0, s = 1; i < n; i++) {
        s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
        data[i] = s / 2 ** 31 - 1;
    }
    return {[session.inputNames[0]]: new ort.Tensor('float32', data, shape)};
};

(async () => {
    const times = [];
    let [, session] = await seconds(create);
    const input = what === 'run' ? inputOf(session) : null;
    if (input)
        await session.run(input);
    for (let i = 0; i < Number(rounds); i++) {
        const [t, s] = await seconds(input ? () => session.run(input) : create);
        times.push(t);
        if (!input) {
            await session.release();
            session = s;
        }
    }
    console.log(JSON.stringify(times));
})().catch((e) => {
    console.error(String(e));
    process.exit(1);
});
