-- Moves due ephemeral jobs to the queue of their workers (layout of apalis-redis 1.0).
-- A job that is queued or running is not added again.
-- KEYS: due jobs, data hash, active list, wake channel
-- ARGV: now in ms, capacity of the queue, maximum number to move
-- Returns the number of due jobs taken, and 1 if more may be due.
local capacity = math.min(tonumber(ARGV[2]) - redis.call('LLEN', KEYS[3]), tonumber(ARGV[3]))
if capacity <= 0 then
    return { 0, 1 }
end
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, capacity)
local moved = 0
for _, job in ipairs(due) do
    redis.call('ZREM', KEYS[1], job)
    if redis.call('HSETNX', KEYS[2], job, cjson.encode(job)) == 1 then
        redis.call('RPUSH', KEYS[3], job)
        moved = moved + 1
    end
end
if moved > 0 then
    redis.call('PUBLISH', KEYS[4], '1')
end
return { #due, #due == capacity and 1 or 0 }
