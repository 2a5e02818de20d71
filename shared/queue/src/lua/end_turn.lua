-- Ends the turn of a relay, unless it is over already.
-- KEYS: turn
-- ARGV: relay
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
