// What the page does beyond HTML. Everything works without it; see docs/planner.md.
"use strict";
