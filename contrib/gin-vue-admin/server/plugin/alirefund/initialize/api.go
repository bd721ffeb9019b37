package initialize

import (
	model "github.com/flipped-aurora/gin-vue-admin/server/model/system"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/plugin-tool/utils"
)

// APIs makes the private routes known, so that roles can be allowed them.
func APIs() {
	const group = "支付宝退款"
	utils.RegisterApis(
		model.SysApi{Path: "/alirefund/refunds", Description: "交易退款", ApiGroup: group, Method: "POST"},
		model.SysApi{Path: "/alirefund/coupon-refunds", Description: "红包退款", ApiGroup: group, Method: "POST"},
		model.SysApi{Path: "/alirefund/unfreezes", Description: "预授权解冻", ApiGroup: group, Method: "POST"},
		model.SysApi{Path: "/alirefund/refunds", Description: "退款列表", ApiGroup: group, Method: "GET"},
		model.SysApi{Path: "/alirefund/refunds/:id", Description: "退款详情，结果未知时向支付宝查询", ApiGroup: group, Method: "GET"},
		model.SysApi{Path: "/alirefund/refunds/:id/approve", Description: "审批通过退款", ApiGroup: group, Method: "POST"},
		model.SysApi{Path: "/alirefund/refunds/:id/decline", Description: "驳回退款", ApiGroup: group, Method: "POST"},
		model.SysApi{Path: "/alirefund/audits", Description: "对账日列表", ApiGroup: group, Method: "GET"},
		model.SysApi{Path: "/alirefund/audits/:day", Description: "某日的对账结果", ApiGroup: group, Method: "GET"},
	)
}
