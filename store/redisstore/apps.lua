-- The applications, and the time. KEYS: the set of them.
return {redis.call('TIME'), redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf')}
