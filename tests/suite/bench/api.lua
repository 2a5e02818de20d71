-- Requests of the benches of the HTTP API, for wrk: POSTs with the next of many one-time tokens.
-- FLYSK_BENCH_TOKENS is a file with a token a line, FLYSK_BENCH_HEADER the header that carries it (or nothing),
-- FLYSK_BENCH_BODY the body, in which %TOKEN% stands for it, FLYSK_BENCH_PROJECT the project token (or nothing).

local requests, n = {}, 0

function init()
    local header, body = os.getenv("FLYSK_BENCH_HEADER") or "", os.getenv("FLYSK_BENCH_BODY") or ""
    local project = os.getenv("FLYSK_BENCH_PROJECT") or ""
    for token in io.lines(os.getenv("FLYSK_BENCH_TOKENS")) do
        local headers = {}
        if header ~= "" then headers[header] = token end
        if project ~= "" then headers["X-Project-Token"] = project end
        if body ~= "" then headers["Content-Type"] = "application/json" end
        local filled = body:gsub("%%TOKEN%%", token)
        requests[#requests + 1] = wrk.format("POST", nil, headers, filled)
    end
end

function request()
    n = n % #requests + 1
    return requests[n]
end

function done(summary, latency, _)
    io.write(string.format(
        '\nRESULT {"requests": %d, "us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\n',
        summary.requests, summary.duration,
        summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
