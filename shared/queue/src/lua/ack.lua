-- Removes finished tasks (layout of apalis-redis 1.0), and schedules those that shall run again.
-- KEYS: the worker's tasks in flight, active list, data hash, due ephemeral jobs
-- ARGV: per task: id, next due time in ms or ''
for i = 1, #ARGV, 2 do
    local id, due_at = ARGV[i], ARGV[i + 1]
    if redis.call('SREM', KEYS[1], id) == 0 then
        -- The worker missed its heartbeats and its tasks were handed to others. Remove this one if none has taken it
        -- yet.
        redis.call('LREM', KEYS[2], 0, id)
    end
    redis.call('HDEL', KEYS[3], id)
    if due_at ~= '' then
        redis.call('ZADD', KEYS[4], due_at, id)
    end
end
