import { defineConfig } from 'vitest/config'

/** Tests in Chromium against the real API, worker and simulators; `tests/suite/tests/widget.rs` starts them. */
export default defineConfig({
  test: {
    include: ['tests/browser/**/*.spec.ts'],
    environment: 'node',
    // One environment and one browser for all files.
    fileParallelism: false,
    isolate: false,
    testTimeout: 900_000,
    hookTimeout: 900_000,
    // Machines that build and test at once are slow.
    expect: { poll: { timeout: 120_000 } },
    sequence: { concurrent: false },
  },
})
