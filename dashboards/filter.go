package dashboards

import "unship.dev"

// Filter selects incidents and releases; what is empty fits all.
type Filter struct {
	Environment string
	Service     string
	Status      unship.Status
	Limit       int
}
