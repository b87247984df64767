"""`RateLimits`: a token bucket for each caller, kept in Redis, or in this process while Redis is away."""

import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

__all__ = ["Allowance", "LocalBuckets", "RateLimits"]

_WINDOW_SECONDS: Final = 60
_REDIS_SECONDS: Final = 0.2
_REDIS_AWAY_SECONDS: Final = 5.0
"""After a failure Redis is not asked for so long: a frozen one costs a few requests 0.2 s, not every one."""
_MAX_LOCAL_BUCKETS: Final = 10_000
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local capacity, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or capacity
tokens = math.min(capacity, tokens + rate * math.max(0, now - (tonumber(bucket[2]) or now)))
local granted = tokens >= 1
if granted then tokens = tokens - 1 end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(capacity / rate) + 1)
return {granted and 1 or 0, string.format('%.6f', tokens)}
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Allowance:
    """What a caller may still ask for.

    Parameters
    ----------
    granted : bool
        Whether this request may pass.
    limit : int
        Requests a minute, and at once after a pause.
    tokens : float
        Requests left now.

    """

    granted: bool
    limit: int
    tokens: float

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-*` of the IETF's draft-ietf-httpapi-ratelimit-headers-07, and Retry-After if refused."""
        per_second = self.limit / _WINDOW_SECONDS
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Policy": f"{self.limit};w={_WINDOW_SECONDS}",
            "RateLimit-Remaining": str(math.floor(self.tokens)),
            "RateLimit-Reset": str(math.ceil((self.limit - self.tokens) / per_second)),
        }
        if not self.granted:
            told["Retry-After"] = str(max(1, math.ceil((1 - self.tokens) / per_second)))
        return told


class RateLimits:
    """Limits of all callers; never fails, and never waits longer than a moment.

    Parameters
    ----------
    redis_url : str or None
        Where front ends share their buckets; None keeps them in this process.
    per_minute : int
        Requests a minute of one caller; 0 is no limit.

    """

    def __init__(self, redis_url: str | None, *, per_minute: int) -> None:
        self._limit = per_minute
        self._local = LocalBuckets(per_minute)
        self._redis = _connected(redis_url) if redis_url and per_minute else None
        self._ask_redis_at = 0.0

    async def take(self, subject: str) -> Allowance | None:
        """Count one request of a subject; None where there is no limit."""
        if not self._limit:
            return None
        if self._redis is None or time.monotonic() < self._ask_redis_at:
            return self._local.take(subject)
        try:
            return await self._take_shared(self._redis, subject)
        except (RedisError, OSError, TimeoutError) as error:
            self._ask_redis_at = time.monotonic() + _REDIS_AWAY_SECONDS
            _log.warning("rate limits are this process's own for a while: %s", error)
            return self._local.take(subject)

    async def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _take_shared(self, redis: Redis, subject: str) -> Allowance:
        per_second = str(self._limit / _WINDOW_SECONDS)
        key = f"fiberless:rate:{subject}"
        granted, tokens = await redis.eval(_TAKE, 1, key, str(self._limit), per_second)
        return Allowance(granted=granted == 1, limit=self._limit, tokens=float(tokens))


class LocalBuckets:
    """The same buckets in this process; the longest unused ones are forgotten when there are very many."""

    def __init__(self, per_minute: int) -> None:
        self._limit = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, subject: str) -> Allowance:
        """Count one request of a subject."""
        now = time.monotonic()
        tokens, seen = self._buckets.pop(subject, (float(self._limit), now))
        tokens = min(self._limit, tokens + (now - seen) * self._limit / _WINDOW_SECONDS)
        granted = tokens >= 1
        tokens -= granted
        self._buckets[subject] = (tokens, now)
        if len(self._buckets) > _MAX_LOCAL_BUCKETS:
            self._buckets.popitem(last=False)
        return Allowance(granted=granted, limit=self._limit, tokens=tokens)


def _connected(url: str) -> Redis:
    return Redis.from_url(
        url.replace("redis+socket://", "unix://", 1),
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
