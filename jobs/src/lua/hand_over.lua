-- Forgets a worker (layout of apalis-redis 1.0) and hands what it still held to others, at once instead
-- of when its name has been silent for long.
-- KEYS: workers, active list, the worker's tasks in flight, its note, wake channel
-- ARGV: worker
local held = redis.call('SMEMBERS', KEYS[3])
for _, id in ipairs(held) do
    redis.call('LPUSH', KEYS[2], id)
end
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('ZREM', KEYS[1], ARGV[1])
if #held > 0 then
    redis.call('PUBLISH', KEYS[5], '1')
end
