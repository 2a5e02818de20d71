-- Records that a caller met a block of a service, and blocks everybody once two different callers have met it.
-- KEYS: callers by the end of their block, block of everybody
-- ARGV: caller, duration in ms
-- Returns the number of callers with a block.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], 'GT', now + tonumber(ARGV[2]), ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local callers = redis.call('ZCARD', KEYS[1])
if callers >= 2 then
    redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
end
return callers
