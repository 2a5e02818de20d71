-- Pushes tasks to the workers of one queue, in the layout of apalis-redis 1.0, directly into the list of active tasks:
-- its sorted set of scheduled tasks fails when some 8,000 are due together. Returns the tasks that exceed the capacity.
-- Our own fetch needs no metadata of tasks, so none is written.
-- KEYS: data hash, active list, wake channel, pace of the queue
-- ARGV: capacity if no relay has measured the pace, number by which it is divided for tasks that are not urgent, then per task:
-- id, data, "1" if urgent
local capacity = tonumber(redis.call('HGET', KEYS[4], 'capacity') or ARGV[1])
local share = capacity / tonumber(ARGV[2])
local waiting = redis.call('LLEN', KEYS[2])
local refused = {}
local pushed = 0
for i = 3, #ARGV, 3 do
    local id, data, urgent = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if redis.call('HEXISTS', KEYS[1], id) == 0 then
        if waiting < (urgent == '1' and capacity or share) then
            redis.call('HSET', KEYS[1], id, data)
            redis.call(urgent == '1' and 'LPUSH' or 'RPUSH', KEYS[2], id)
            waiting = waiting + 1
            pushed = pushed + 1
        else
            refused[#refused + 1] = id
        end
    end
end
if pushed > 0 then
    redis.call('PUBLISH', KEYS[3], '1')
end
return refused
