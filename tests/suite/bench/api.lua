-- wrk script of the HTTP API benchmarks: POST requests that use many one-time tokens in rotation. Variables:
-- FLYSK_BENCH_TOKENS   file with one token per line
-- FLYSK_BENCH_HEADER   header that carries the token; empty if none
-- FLYSK_BENCH_BODY     body; %TOKEN% is replaced by the token
-- FLYSK_BENCH_PROJECT  project token; empty if none

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
