-- Removes tasks that are done with (layout of apalis-redis 1.0), and sets those that shall come again.
-- KEYS: the worker's tasks in flight, active list, data hash, due ticks
-- ARGV: per task: id, when it is due again in ms or ''
for i = 1, #ARGV, 2 do
    local id, again = ARGV[i], ARGV[i + 1]
    if redis.call('SREM', KEYS[1], id) == 0 then
        -- The worker was silent for so long that its tasks were handed to others: if none has taken this
        -- one yet, none shall.
        redis.call('LREM', KEYS[2], 0, id)
    end
    redis.call('HDEL', KEYS[3], id)
    if again ~= '' then
        redis.call('ZADD', KEYS[4], again, id)
    end
end
