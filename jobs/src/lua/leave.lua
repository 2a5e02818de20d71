-- Gives up the wait for a place: who does not come back stands before nobody.
-- KEYS: tenants that wait, jobs of this tenant that wait
-- ARGV: tenant, job
redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('ZCARD', KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[1], ARGV[1])
end
