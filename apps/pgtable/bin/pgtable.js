#!/usr/bin/env node
// Here before anything is built, so that installing a clone links it.
import '../dist/cli.js';
