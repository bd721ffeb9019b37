CREATE TABLE order_refunds (
  refund_id VARCHAR(64) NOT NULL PRIMARY KEY,
  out_trade_no VARCHAR(64) NOT NULL,
  fen BIGINT NOT NULL
);
