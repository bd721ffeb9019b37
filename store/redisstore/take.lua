-- Takes what is due, puts it off, and returns it with the time.
-- KEYS: the set to take from, the set of all that have a time, that of those to ask about.
-- ARGV: what the keys of refunds begin with, for how many microseconds, how many, their next version.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rows = {}
for n, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local refund, later = ARGV[1] .. id, now + ARGV[2]
  local doc = redis.call('HGET', refund, 'doc')
  redis.call('ZADD', KEYS[2], 'XX', later, id)
  redis.call('ZADD', KEYS[3], 'XX', later, id)
  if doc then
    redis.call('HSET', refund, 'version', ARGV[4], 'next', later)
  end
  rows[n] = {id, {doc, ARGV[4], string.format('%.0f', later)}}
end
return {time, rows}
