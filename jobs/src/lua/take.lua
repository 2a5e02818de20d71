-- Takes a place in a sliding window shared by all workers, fairly between tenants.
-- KEYS: window, tenants that wait, jobs of this tenant that wait
-- ARGV: window in ms, places in it, tenant, job, for how many ms after its turn a job that does not come keeps its place
-- Returns 0 if taken, else how many ms to wait.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local window, places, tenant, job = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local patience = tonumber(ARGV[5])

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
-- Who was told to come back and did not come for a long time has gone.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)

local free = places - redis.call('ZCARD', KEYS[1])
local others = redis.call('ZCARD', KEYS[2])
local mine = redis.call('ZRANK', KEYS[3], job)
if mine == false then
    mine = redis.call('ZCARD', KEYS[3])
end
if redis.call('ZSCORE', KEYS[2], tenant) == false then
    others = others + 1
end
-- Each waiting tenant has a turn before anybody's second.
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
local rounds = math.floor(short / places)
local leaves = redis.call('ZRANGE', KEYS[1], short % places, short % places, 'WITHSCORES')
local wait = rounds * window + 1
if leaves[2] then
    wait = wait + math.max(0, tonumber(leaves[2]) + window - now)
else
    wait = wait + math.floor(window / places)
end
redis.call('ZADD', KEYS[2], 'GT', now + wait + patience, tenant)
redis.call('ZADD', KEYS[3], 'NX', now + wait + patience, job)
redis.call('PEXPIRE', KEYS[2], wait + patience)
redis.call('PEXPIRE', KEYS[3], wait + patience)
return wait
