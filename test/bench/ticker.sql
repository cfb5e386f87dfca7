-- PgQ's ticker, once per second, until it is stopped.
select pgq.ticker() \watch 1
