-- Remaining time of a block for one caller, in ms; 0 without a block.
-- KEYS: callers by the end of their block, block of everybody
-- ARGV: caller
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local everybody = redis.call('PTTL', KEYS[2])
local own = redis.call('ZSCORE', KEYS[1], ARGV[1])
local left = 0
if own ~= false then
    left = tonumber(own) - now
end
return math.max(left, everybody, 0)
