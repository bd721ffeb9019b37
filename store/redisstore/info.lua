-- What the server that holds the key says of its memory. KEYS: any key of the store.
return redis.call('INFO', 'memory')
