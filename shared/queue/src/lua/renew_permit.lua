-- Renews a permit of a concurrency limit; grants none.
-- KEYS: permits by expiry
-- ARGV: holder, time to live in ms
-- Returns 1 if there was a permit to renew.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local until_when = redis.call('ZSCORE', KEYS[1], ARGV[1])
if until_when == false or tonumber(until_when) <= now then
    return 0
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
