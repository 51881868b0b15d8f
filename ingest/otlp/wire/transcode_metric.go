package wire

// anyPoints is the bit of the keys that hold the points of a metric: it has one of them.
const anyPoints = 5

var metricKeys = keys{
	{"name", 1, 1, (*transcoder).text},
	{"description", 2, 2, (*transcoder).text},
	{"unit", 3, 3, (*transcoder).text},
	{"gauge", 5, anyPoints, one(gaugeKeys.read)},
	{"sum", 7, anyPoints, one(sumKeys.read)},
	{"histogram", 9, anyPoints, one(histogramKeys.read)},
	{"exponentialHistogram", 10, anyPoints, one(exponentialKeys.read)},
	{"summary", 11, anyPoints, one(summaryKeys.read)},
	{"metadata", 12, 12, many((*transcoder).attribute)},
}

var gaugeKeys = keys{{"dataPoints", 1, 1, many(numberPointKeys.read)}}

var sumKeys = keys{
	{"dataPoints", 1, 1, many(numberPointKeys.read)},
	{"aggregationTemporality", 2, 2, (*transcoder).number32},
	{"isMonotonic", 3, 3, (*transcoder).truth},
}

var histogramKeys = keys{
	{"dataPoints", 1, 1, many(histogramPointKeys.read)},
	{"aggregationTemporality", 2, 2, (*transcoder).number32},
}

var exponentialKeys = keys{
	{"dataPoints", 1, 1, many(exponentialPointKeys.read)},
	{"aggregationTemporality", 2, 2, (*transcoder).number32},
}

var summaryKeys = keys{{"dataPoints", 1, 1, many(summaryPointKeys.read)}}

var numberPointKeys = keys{
	{"attributes", 7, 7, many((*transcoder).attribute)},
	{"startTimeUnixNano", 2, 2, (*transcoder).fixed64},
	{"timeUnixNano", 3, 3, (*transcoder).fixed64},
	{"asDouble", 4, 4, (*transcoder).float},
	{"asInt", 6, 4, (*transcoder).fixedInteger},
	{"exemplars", 5, 5, many(exemplarKeys.read)},
	{"flags", 8, 8, (*transcoder).number32},
}

var histogramPointKeys = keys{
	{"attributes", 9, 9, many((*transcoder).attribute)},
	{"startTimeUnixNano", 2, 2, (*transcoder).fixed64},
	{"timeUnixNano", 3, 3, (*transcoder).fixed64},
	{"count", 4, 4, (*transcoder).fixed64},
	{"sum", 5, 5, (*transcoder).float},
	{"bucketCounts", 6, 6, packed((*transcoder).eight)},
	{"explicitBounds", 7, 7, packed((*transcoder).double)},
	{"exemplars", 8, 8, many(exemplarKeys.read)},
	{"flags", 10, 10, (*transcoder).number32},
	{"min", 11, 11, (*transcoder).float},
	{"max", 12, 12, (*transcoder).float},
}

var exponentialPointKeys = keys{
	{"attributes", 1, 1, many((*transcoder).attribute)},
	{"startTimeUnixNano", 2, 2, (*transcoder).fixed64},
	{"timeUnixNano", 3, 3, (*transcoder).fixed64},
	{"count", 4, 4, (*transcoder).fixed64},
	{"sum", 5, 5, (*transcoder).float},
	{"scale", 6, 6, (*transcoder).zigzag32},
	{"zeroCount", 7, 7, (*transcoder).fixed64},
	{"positive", 8, 8, one(bucketsKeys.read)},
	{"negative", 9, 9, one(bucketsKeys.read)},
	{"flags", 10, 10, (*transcoder).number32},
	{"exemplars", 11, 11, many(exemplarKeys.read)},
	{"min", 12, 12, (*transcoder).float},
	{"max", 13, 13, (*transcoder).float},
	{"zeroThreshold", 14, 14, (*transcoder).float},
}

var bucketsKeys = keys{
	{"offset", 1, 1, (*transcoder).zigzag32},
	{"bucketCounts", 2, 2, packed((*transcoder).varint)},
}

var summaryPointKeys = keys{
	{"attributes", 7, 7, many((*transcoder).attribute)},
	{"startTimeUnixNano", 2, 2, (*transcoder).fixed64},
	{"timeUnixNano", 3, 3, (*transcoder).fixed64},
	{"count", 4, 4, (*transcoder).fixed64},
	{"sum", 5, 5, (*transcoder).float},
	{"quantileValues", 6, 6, many(quantileKeys.read)},
	{"flags", 8, 8, (*transcoder).number32},
}

var quantileKeys = keys{
	{"quantile", 1, 1, (*transcoder).float},
	{"value", 2, 2, (*transcoder).float},
}

var exemplarKeys = keys{
	{"filteredAttributes", 7, 7, many((*transcoder).attribute)},
	{"timeUnixNano", 2, 2, (*transcoder).fixed64},
	{"asDouble", 3, 3, (*transcoder).float},
	{"asInt", 6, 3, (*transcoder).fixedInteger},
	{"spanId", 4, 4, (*transcoder).spanID},
	{"traceId", 5, 5, (*transcoder).traceID},
}

// packed reads a list of numbers that becomes one field.
func packed(number func(*transcoder)) func(*transcoder, byte) {
	return func(t *transcoder, field byte) { t.message(field, func() { t.elements(func() { number(t) }) }) }
}
