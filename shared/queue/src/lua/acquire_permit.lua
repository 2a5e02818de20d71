-- Acquires a permit of a concurrency limit. A permit expires even if its holder died.
-- KEYS: permits by expiry
-- ARGV: permits, holder, time to live of a permit in ms, age in ms at which a permit closes the limit (0: never)
-- Returns 1 if acquired, 0 if all permits are taken, 2 if the limit is closed.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], ARGV[2]) == false then
    if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
        return 0
    end
    local longest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
    local closes = tonumber(ARGV[4])
    if closes > 0 and longest and now - (tonumber(longest) - tonumber(ARGV[3])) > closes then
        return 2
    end
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
