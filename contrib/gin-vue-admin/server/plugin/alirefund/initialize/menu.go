package initialize

import (
	model "github.com/flipped-aurora/gin-vue-admin/server/model/system"
	"github.com/flipped-aurora/gin-vue-admin/server/plugin/plugin-tool/utils"
)

// Menu adds the page.
func Menu() {
	utils.RegisterMenus(model.SysBaseMenu{
		Path: "alirefund", Name: "alirefund", Component: "plugin/alirefund/view/refund.vue", Sort: 6,
		Meta: model.Meta{Title: "支付宝退款", Icon: "money"},
	})
}
