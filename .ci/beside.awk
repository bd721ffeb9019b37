# Reads `go test -bench` output and prints each benchmark that has both beside
# its floor: as benchmarks of their own, or as times of one in which they took
# turns. Fails if a test failed.
/^Benchmark.*\/(floor|ours)-?[0-9]*[ \t]/ {
	name = side = $1
	sub(/\/[^\/]*$/, "", name)
	sub(/.*\//, "", side)
	sub(/-[0-9]+$/, "", side)
	for (i = 3; i < NF; i++) {
		if ($(i + 1) == "ns/op") ns[name, side] = $i
		if ($(i + 1) == "allocs/op") allocs[name, side] = $i
	}
	if (((name, "floor") in ns) && ((name, "ours") in ns)) names[++n] = name
}
/^Benchmark.* floor-ns[ \t]/ {
	name = $1
	sub(/-[0-9]+$/, "", name)
	for (i = 3; i < NF; i++) {
		if ($(i + 1) == "floor-ns") ns[name, "floor"] = $i
		if ($(i + 1) == "ours-ns") ns[name, "ours"] = $i
	}
	allocs[name, "floor"] = allocs[name, "ours"] = "-" # they are not told apart
	names[++n] = name
}
/^(FAIL|--- FAIL|panic:)/ { failed = 1 }
END {
	if (n) printf "\n%-40s %12s %12s %7s %14s %8s\n", "beside its floor", "floor, ns", "ours, ns", "ratio", "floor, allocs", "ours"
	for (i = 1; i <= n; i++) {
		name = names[i]
		printf "%-40s %12.0f %12.0f %7.2f %14s %8s\n", name, ns[name, "floor"], ns[name, "ours"], \
			ns[name, "ours"] / ns[name, "floor"], allocs[name, "floor"], allocs[name, "ours"]
	}
	exit failed
}
