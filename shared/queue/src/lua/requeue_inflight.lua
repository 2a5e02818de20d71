-- Unregisters a worker (layout of apalis-redis 1.0) and requeues its tasks at once, instead of after its missed
-- heartbeats.
-- KEYS: workers, active list, the worker's tasks in flight, its metadata, wake channel
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
