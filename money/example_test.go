package money_test

import (
	"encoding/json"
	"fmt"

	"github.com/alirefund/alirefund/money"
)

func Example() {
	var answer struct {
		Fee money.Amount `json:"refund_fee"`
	}
	for _, text := range []string{`{"refund_fee":"88.88"}`, `{"refund_fee":88.88}`, `{"refund_fee":88.888}`} {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(answer.Fee, int64(answer.Fee))
	}
	// Output:
	// 88.88 8888
	// 88.88 8888
	// money: not an amount of yuan such as 88.88: one or two decimals, not 3
}

func ExampleParse() {
	amount, err := money.Parse("0.1")
	fmt.Println(amount, amount.InRange(), err)

	_, err = money.Parse("1e2")
	fmt.Println(err)
	// Output:
	// 0.10 true <nil>
	// money: not an amount of yuan such as 88.88: only digits and one point are allowed
}
