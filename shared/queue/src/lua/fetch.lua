-- Takes tasks from the front of a queue for one worker (layout of apalis-redis 1.0). An id without data is dropped: it
-- was acknowledged after it had been requeued.
-- KEYS: workers, active list, this worker's tasks in flight, data hash, signal list, pace of the queue
-- ARGV: worker, maximum number
-- Returns pairs of id and data.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    -- The tasks of an unregistered worker would never be recovered.
    return redis.error_reply('GONE this worker was given up for dead')
end
local ids = redis.call('LPOP', KEYS[2], ARGV[2])
local found = {}
if ids then
    -- Relays measure by it how many tasks the queue needs to hold.
    redis.call('HINCRBY', KEYS[6], 'taken', #ids)
    local data = redis.call('HMGET', KEYS[4], unpack(ids))
    for i, id in ipairs(ids) do
        if data[i] then
            redis.call('SADD', KEYS[3], id)
            found[#found + 1] = { id, data[i] }
        end
    end
else
    -- Left by the recovery of dead workers' tasks, for apalis' own fetch.
    redis.call('DEL', KEYS[5])
end
return found
