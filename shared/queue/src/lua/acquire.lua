-- Acquires one request of a sliding-window rate limit shared by all workers, fairly between tenants.
-- KEYS: window, waiting tenants, waiting jobs of this tenant
-- ARGV: window in ms, permits in it, tenant, job, how long a job keeps its position after its time in ms
-- Returns 0 if acquired, else the wait in ms.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local window, permits, tenant, job = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local timeout = tonumber(ARGV[5])

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
-- Remove positions of tenants and jobs that did not come back.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)

local free = permits - redis.call('ZCARD', KEYS[1])
local others = redis.call('ZCARD', KEYS[2])
local mine = redis.call('ZRANK', KEYS[3], job)
if mine == false then
    mine = redis.call('ZCARD', KEYS[3])
end
if redis.call('ZSCORE', KEYS[2], tenant) == false then
    others = others + 1
end
-- Round-robin across waiting tenants.
local turn = mine * others
if free > turn or (free > 0 and others <= 1 and mine == 0) then
    redis.call('ZADD', KEYS[1], now, job .. ':' .. time[2])
    redis.call('ZREM', KEYS[3], job)
    if redis.call('ZCARD', KEYS[3]) == 0 then
        redis.call('ZREM', KEYS[2], tenant)
    end
    redis.call('PEXPIRE', KEYS[1], window)
    return 0
end

local short = turn - free
local rounds = math.floor(short / permits)
local leaves = redis.call('ZRANGE', KEYS[1], short % permits, short % permits, 'WITHSCORES')
local wait = rounds * window + 1
if leaves[2] then
    wait = wait + math.max(0, tonumber(leaves[2]) + window - now)
else
    wait = wait + math.floor(window / permits)
end
redis.call('ZADD', KEYS[2], 'GT', now + wait + timeout, tenant)
redis.call('ZADD', KEYS[3], 'NX', now + wait + timeout, job)
redis.call('PEXPIRE', KEYS[2], wait + timeout)
redis.call('PEXPIRE', KEYS[3], wait + timeout)
return wait
