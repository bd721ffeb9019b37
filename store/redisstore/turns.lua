-- Takes what is due of all applications, which take turns, puts it off, and returns it
-- with the time. Those whose turn was longest ago are looked at first.
-- KEYS: the applications, by when their turn was.
-- ARGV: what the keys of refunds begin with, for how many microseconds, how many, their
-- next version, what the keys begin with of the sets to take from, of those of all that
-- have a time, and of those of what to ask about, how many applications to look at.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local most = tonumber(ARGV[3])
local queues = {}
for _, app in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'LIMIT', 0, ARGV[8])) do
  if #queues == most then
    break
  end
  local ids = redis.call('ZRANGEBYSCORE', ARGV[5] .. app, '-inf', now, 'LIMIT', 0, most)
  if #ids > 0 then
    queues[#queues + 1] = {app = app, ids = ids}
  end
  redis.call('ZADD', KEYS[1], 'XX', now, app)
end
local rows, place = {}, 1
repeat -- the first of each, then the second of each
  local before = #rows
  for _, queue in ipairs(queues) do
    local id = queue.ids[place]
    if id and #rows < most then
      local refund, later = ARGV[1] .. id, now + ARGV[2]
      local doc = redis.call('HGET', refund, 'doc')
      redis.call('ZADD', ARGV[6] .. queue.app, 'XX', later, id)
      redis.call('ZADD', ARGV[7] .. queue.app, 'XX', later, id)
      if doc then
        redis.call('HSET', refund, 'version', ARGV[4], 'next', later)
      end
      rows[#rows + 1] = {id, {doc, ARGV[4], string.format('%.0f', later)}}
    end
  end
  place = place + 1
until #rows == before
return {time, rows}
