import service from '@/utils/request'

// 后端把模块的应答包在 { code, data, msg, status } 里：code 为 0 表示 data 可用；
// status 是模块自己的状态码，202 表示钱退没退还不知道。

export const refundTrade = (data) => {
  return service({ url: '/alirefund/refunds', method: 'post', data })
}

export const getRefundList = (params) => {
  return service({ url: '/alirefund/refunds', method: 'get', params })
}

// 结果未知时，后端会先向支付宝查询。
export const getRefund = (id) => {
  return service({ url: `/alirefund/refunds/${encodeURIComponent(id)}`, method: 'get' })
}
