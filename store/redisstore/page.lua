-- A piece of a set with its refunds, and the time: those of a score, of which some may
-- be known already, and so many more.
-- KEYS: the set. ARGV: what the keys of refunds begin with, the score to begin with, the
-- end, how many, ZRANGEBYSCORE or ZREVRANGEBYSCORE.
local known = redis.call('ZCOUNT', KEYS[1], ARGV[2], ARGV[2])
local rows = {}
for n, id in ipairs(redis.call(ARGV[5], KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, known + ARGV[4])) do
  rows[n] = {id, redis.call('HMGET', ARGV[1] .. id, 'doc', 'version', 'next')}
end
return {redis.call('TIME'), rows}
