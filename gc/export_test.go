package gc

import "bosgc/internal/inventory"

// Links gives the links that a plan was made with.
func (p *Plan) Links() []inventory.Link { return p.world.Links }
