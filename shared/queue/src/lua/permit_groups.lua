-- Acquires permits of concurrency limits, one for each request, in their order: as many calls with one request each would do, but
-- in one round trip. A permit expires even if its holder died.
-- KEYS: permits by expiry, one set for each limit
-- ARGV: per request: number of its limit among the keys, permits, holder, time to live of a permit in ms, age in ms at which a
-- permit closes the limit (0: never)
-- Returns per request 1 if acquired, 0 if all permits are taken, 2 if the limit is closed.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local swept, replies = {}, {}

local function acquire(key, permits, holder, ttl, closes)
    local taken = redis.call('ZCARD', key)
    local is_held = taken > 0 and redis.call('ZSCORE', key, holder) ~= false
    if not is_held then
        if taken >= permits then
            return 0
        end
        if closes > 0 and taken > 0 then
            local longest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
            if now - (tonumber(longest) - ttl) > closes then
                return 2
            end
        end
    end
    redis.call('ZADD', key, now + ttl, holder)
    redis.call('PEXPIRE', key, ttl)
    return 1
end

for i = 1, #ARGV, 5 do
    local key = KEYS[tonumber(ARGV[i])]
    if not swept[key] then
        redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
        swept[key] = true
    end
    replies[#replies + 1] =
        acquire(key, tonumber(ARGV[i + 1]), ARGV[i + 2], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]))
end
return replies
