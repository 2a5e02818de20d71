-- Moves ticks that are due to the apalis workers of the tick queue (layout of apalis-redis 1.0).
-- A tick that lies there already, or is being worked on, is not doubled.
-- KEYS: due ticks, data hash, active list, wake channel
-- ARGV: now in ms, how many the queue may hold, how many to move at once
-- Returns how many were taken, and 1 if more may be due.
local room = math.min(tonumber(ARGV[2]) - redis.call('LLEN', KEYS[3]), tonumber(ARGV[3]))
if room <= 0 then
    return { 0, 1 }
end
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, room)
local moved = 0
for _, tick in ipairs(due) do
    redis.call('ZREM', KEYS[1], tick)
    if redis.call('HSETNX', KEYS[2], tick, cjson.encode(tick)) == 1 then
        redis.call('RPUSH', KEYS[3], tick)
        moved = moved + 1
    end
end
if moved > 0 then
    redis.call('PUBLISH', KEYS[4], '1')
end
return { #due, #due == room and 1 or 0 }
