-- One step. What it was decided on is looked at again; then all of it is written, or
-- nothing. Each part but the row may be missing, and the row too.
--
-- KEYS: the refund, its order, a claim, the applications, then the sets that the refund is to stand in,
-- one for each score, then those that it is to leave.
-- ARGV: the step as JSON, the refund's document or nothing for none.
local step = cjson.decode(ARGV[1])
local refund, order, claim = KEYS[1], KEYS[2], KEYS[3]
local row, reserve, send = step.row, step.reserve, step.send

local held = {}
if step.claim or step.complete or step.release then
  held = redis.call('HMGET', claim, 'token', 'until', 'done')
end

if row then
  local version = redis.call('HGET', refund, 'version') or ''
  if version == row.is then -- written, and the client lost the answer
    return {'written', held[3] and 1 or 0}
  elseif version ~= row.was then
    return {'changed'}
  end
end

local reserved, sent = 0, 0
if reserve then
  reserved = tonumber(redis.call('HGET', order, 'reserved') or 0)
  if reserve.total and reserved + reserve.take > reserve.total then
    return {'over', tostring(redis.call('HGET', order, 'reserved') or 0)}
  end
end
if send then
  sent = tonumber(redis.call('HGET', order, 'sent_at') or 0)
  if send.since and sent > send.since then
    return {'spaced', redis.call('HGET', order, 'sent_at')}
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if step.claim then
  if held[3] then
    return {'done'}
  elseif held[1] ~= step.claim.token and tonumber(held[2] or 0) > now then
    return {'held'}
  end
end

-- From here on it is written.
if reserve and reserve.take ~= 0 then
  redis.call('HINCRBY', order, 'reserved', reserve.take)
end
if send and send.at > sent then
  redis.call('HSET', order, 'sent_at', send.at)
end
if row then
  if ARGV[2] == '' then
    redis.call('DEL', refund)
  else
    redis.call('HSET', refund, 'version', row.is, 'next', row.next, 'doc', ARGV[2])
  end
  if row.app then
    redis.call('ZADD', KEYS[4], 'NX', 0, row.app)
  end
  for n = 5, #KEYS do
    local score = row.scores[n - 4]
    if score then
      redis.call('ZADD', KEYS[n], score, row.id)
    else
      redis.call('ZREM', KEYS[n], row.id)
    end
  end
end
if step.claim and step.claim.done then
  redis.call('DEL', claim)
  redis.call('HSET', claim, 'done', 1)
  redis.call('PEXPIRE', claim, step.claim.keep)
elseif step.claim then
  redis.call('HSET', claim, 'token', step.claim.token, 'until', now + step.claim.lease)
  redis.call('PEXPIRE', claim, step.claim.keep)
end
local owned = 0
if step.complete and held[1] == step.complete.token then
  owned = 1
  redis.call('DEL', claim)
  redis.call('HSET', claim, 'done', 1)
  redis.call('PEXPIRE', claim, step.complete.keep)
elseif step.release and held[1] == step.release.token then
  owned = 1
  redis.call('DEL', claim)
end
return {'written', owned}
