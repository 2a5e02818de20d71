-- Leaves the queue of a rate limit, so that an abandoned position does not delay others.
-- KEYS: waiting tenants, waiting jobs of this tenant
-- ARGV: tenant, job
redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('ZCARD', KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[1], ARGV[1])
end
