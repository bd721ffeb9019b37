-- name: AddRefund :exec
INSERT INTO order_refunds (refund_id, out_trade_no, fen) VALUES (?, ?, ?);
