-- Lets one relay push at a time: several that push together read and lock the same rows. Measures how many tasks workers take
-- of each queue: a queue holds what they take in some time, because what is in it waits in the order of the pushes, whichever
-- tenant it belongs to.
-- KEYS: turn, then of each queue: active list, pace
-- ARGV: relay, time after which its turn ends by itself in ms, capacity of a queue of unknown pace, least and largest capacity,
-- time in ms whose tasks a queue holds
-- Returns 1 if the relay has the turn (none has it while no queue is worth one), and the free capacity of each queue: 0 while
-- less than half of it is free, because the queue has enough until the next turn.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local first, least, most, held = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local function capacity_of(pace, waiting)
    local known = redis.call('HMGET', pace, 'capacity', 'taken', 'since')
    local capacity, taken = tonumber(known[1] or first), tonumber(known[2] or 0)
    local passed = now - tonumber(known[3] or 0)
    -- Workers have emptied the queue before it was refilled: they may take more than they got.
    local was_short = waiting == 0 and taken >= capacity
    if passed >= 0 and passed < held and not was_short then
        return capacity
    end
    if not known[3] and not was_short then
        -- The measurement begins: nothing is known of the workers yet.
        redis.call('HSET', pace, 'capacity', capacity, 'since', now)
        return capacity
    end
    local wanted = math.floor(taken * held / math.max(passed, held))
    if was_short then
        wanted = math.max(wanted, 2 * capacity)
    elseif 2 * waiting < capacity then
        -- Few are taken of a queue that has few: that says nothing about the workers.
        wanted = math.max(wanted, capacity)
    else
        -- A single measurement may have met a pause.
        wanted = math.max(wanted, math.floor(capacity / 2))
    end
    capacity = math.min(math.max(wanted, least), most)
    redis.call('HSET', pace, 'capacity', capacity, 'taken', 0, 'since', now)
    return capacity
end

local free, open = {}, false
for i = 2, #KEYS, 2 do
    local waiting = redis.call('LLEN', KEYS[i])
    local capacity = capacity_of(KEYS[i + 1], waiting)
    local left = capacity - waiting
    if 2 * left < capacity then
        left = 0
    end
    free[#free + 1] = left
    open = open or left > 0
end
local taken = open and redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return { taken and 1 or 0, free }
