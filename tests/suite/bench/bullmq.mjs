// BullMQ in the benchmarks; implements the protocol of src/bench/jobs/workers.rs.
//
//   node bullmq.mjs fill URL QUEUE JOBS               adds a backlog
//   node bullmq.mjs rate URL QUEUE JOBS PER_SECOND    adds jobs at a steady rate
//   node bullmq.mjs work URL QUEUE CONCURRENCY        records starts until SIGTERM

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const [what, url, name, ...numbers] = process.argv.slice(2);
const [first, second] = numbers.map(Number);
const connection = new Redis(url, { maxRetriesPerRequest: null });
const options = { removeOnComplete: true };

/** Microseconds since 1970. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function fill(jobs) {
  const queue = new Queue(name, { connection });
  for (let done = 0; done < jobs; done += 1000) {
    const batch = Array.from({ length: Math.min(1000, jobs - done) });
    await queue.addBulk(batch.map(() => ({ name: "start", data: { at: now() }, opts: options })));
  }
  await queue.close();
  connection.disconnect();
}

async function rate(jobs, perSecond) {
  const queue = new Queue(name, { connection });
  await queue.waitUntilReady();
  const began = performance.now();
  const adding = [];
  for (let job = 0; job < jobs; job += 1) {
    const due = began + (job * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    adding.push(queue.add("start", { at: now() }, options));
  }
  await Promise.all(adding);
  await queue.close();
  connection.disconnect();
}

async function work(concurrency) {
  const samples = [];
  const note = async (job) => {
    samples.push([job.data.at, now()]);
  };
  const worker = new Worker(name, note, { connection, concurrency });
  await worker.waitUntilReady();
  console.log("ready");
  let told = 0;
  const telling = setInterval(() => {
    if (samples.length !== told) {
      told = samples.length;
      console.log(`count ${told}`);
    }
  }, 50);
  process.on("SIGTERM", async () => {
    clearInterval(telling);
    await worker.close();
    process.stdout.write(`samples ${JSON.stringify(samples)}\n`, () => process.exit(0));
  });
}

await { fill, rate, work }[what](first, second);
