-- Lets one relay push at a time: several that push together read and lock the same rows.
-- KEYS: turn, then the active list of each queue
-- ARGV: relay, time after which its turn ends by itself in ms, capacity of a queue, free capacity that is worth a turn
-- Returns 1 if the relay has the turn (none has it while all queues are full), and the free capacity of each queue.
local free, open = {}, false
for i = 2, #KEYS do
    free[i - 1] = math.max(0, tonumber(ARGV[3]) - redis.call('LLEN', KEYS[i]))
    open = open or free[i - 1] >= tonumber(ARGV[4])
end
local taken = open and redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return { taken and 1 or 0, free }
