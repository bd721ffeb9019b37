-- What is left to do, and the time. KEYS: the pending, by when they were recorded; those
-- with an event to deliver; those with a time; those that await approval.
local time = redis.call('TIME')
local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return {
  time,
  redis.call('ZCOUNT', KEYS[1], '-inf', '+inf'),
  oldest[2] or '',
  redis.call('ZCOUNT', KEYS[2], '-inf', '+inf'),
  redis.call('ZCOUNT', KEYS[3], '-inf', time[1] * 1000000 + time[2]),
  redis.call('ZCOUNT', KEYS[4], '-inf', '+inf'),
}
