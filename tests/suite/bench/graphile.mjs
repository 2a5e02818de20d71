// graphile-worker in the benchmarks; implements the protocol of src/bench/jobs/workers.rs.
//
//   node graphile.mjs fill URL SCHEMA JOBS                    creates the schema and adds a backlog
//   node graphile.mjs work URL SCHEMA CONCURRENCY LOCAL_QUEUE records starts until SIGTERM; LOCAL_QUEUE 0: the defaults

import { Logger, makeWorkerUtils, run } from "graphile-worker";

const [what, connectionString, schema, ...numbers] = process.argv.slice(2);
const [first, second] = numbers.map(Number);
// By default it prints two lines per job. Nobody else does here.
const logger = new Logger(() => () => {});

/** Microseconds since 1970. */
const now = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

async function fill(jobs) {
  const utils = await makeWorkerUtils({ connectionString, schema, logger });
  await utils.migrate();
  for (let done = 0; done < jobs; done += 1000) {
    const batch = Array.from({ length: Math.min(1000, jobs - done) });
    await utils.addJobs(batch.map(() => ({ identifier: "start", payload: { at: now() } })));
  }
  await utils.release();
}

async function work(concurrency, localQueue) {
  const samples = [];
  const start = async (payload) => {
    samples.push([payload.at, now()]);
  };
  // With a local queue it fetches and completes jobs in groups.
  const groups = { localQueue: { size: localQueue }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const runner = await run({
    connectionString,
    schema,
    logger,
    concurrency,
    maxPoolSize: concurrency + 2,
    noHandleSignals: true,
    taskList: { start },
    preset: { worker: localQueue > 0 ? groups : {} },
  });
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
    await runner.stop();
    process.stdout.write(`samples ${JSON.stringify(samples)}\n`, () => process.exit(0));
  });
}

await { fill, work }[what](first, second);
