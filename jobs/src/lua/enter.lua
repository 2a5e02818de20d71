-- Enters a room that holds a number of jobs at once; a place is given up after a while even if its
-- holder died.
-- KEYS: room
-- ARGV: places, holder, how long a place is kept in ms, after how many ms somebody inside closes the door (0: never)
-- Returns 1 if entered, 0 if all places are taken, 2 if the door is closed.
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
