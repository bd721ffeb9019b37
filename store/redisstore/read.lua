-- One refund, and the time. KEYS: the refund.
return {redis.call('TIME'), redis.call('HMGET', KEYS[1], 'doc', 'version', 'next')}
