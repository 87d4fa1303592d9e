# The packages that it needs to run. They change less often than the code, and so stay in the cache.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

# Compiles it, with the compiler and all.
FROM packages AS build
RUN npm ci
COPY tsconfig.json ./
COPY lib lib
COPY producer/producer.ts producer/
RUN npx tsc

# Runs it, in a heap that fits in the container's 128 MB: of itself Node takes more, and only then collects.
FROM packages
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=48 --max-semi-space-size=2"
COPY --from=build /app/dist .
USER node
# In exec form, so that node itself gets the signal to stop.
CMD ["node", "producer/producer.js"]

# Settings: edit them, and run ./buildAndRun.sh again. This block is last, so nothing else is built anew.
ENV KAFKA_TOPIC=test-topic \
    TOPIC_PARTITIONS=1 \
    SEND_INTERVAL_MS=1000 \
    BUFFER_SIZE=10000
