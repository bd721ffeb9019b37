module github.com/alirefund/alirefund/example_app

go 1.26.0

require github.com/alirefund/alirefund v0.0.0

replace github.com/alirefund/alirefund => ../
